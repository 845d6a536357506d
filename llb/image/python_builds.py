"""Builds of python-build-standalone that recipes name, and their checksums.

Written by scripts/python_builds.py.
"""

from __future__ import annotations

BUILDS: dict[str, dict[str, tuple[str, str]]] = {
    "3.10.13+20240224": {
        "aarch64-unknown-linux-gnu": (
            "install_only.tar.gz",
            "a898a88705611b372297bb8fe4d23cc16b8603ce5f24494c3a8cfa65d83787f9",
        ),
        "x86_64-unknown-linux-gnu": (
            "install_only.tar.gz",
            "d995d032ca702afd2fc3a689c1f84a6c64972ecd82bba76a61d525f08eb0e195",
        ),
    },
    "3.10.19+20251209": {
        "aarch64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "077895a3cc9cfe4c381fecca18a310c76006a97d043ade59ac169af13d512cdf",
        ),
        "x86_64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "55c1e892d333eb10f0de0390bdd6c423cafb001755558277343d35012ee5309b",
        ),
    },
    "3.11.14+20251209": {
        "aarch64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "85469a1ef3551d055f93abdf87e19adef3081cd620a14415106c62caca348771",
        ),
        "x86_64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "08a1c12fe1b9ee6277a8982d3ab8293d79ad00c7f680be9722bbb1e204a23fdf",
        ),
    },
    "3.11.17+20261003": {
        "aarch64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "41f16793d33161dcd9bfa2622332b8af870cfdb4540bd1fdc477f9e6b7c58c26",
        ),
        "aarch64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "cb1e19f4f7a3d022a3522e1c5070e31095a984ede01e4868d011ca5e25bc0cbe",
        ),
        "x86_64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "aadcba18994cb8f9ee752aceb31d61e04f75b5d900d76fb575c6fbfabadec434",
        ),
        "x86_64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "4ca50bf6b7a9d54af2450363c319f413aa9cf6460d9a65b30930fb075b5079d2",
        ),
    },
    "3.11.5+20230826": {
        "aarch64-unknown-linux-gnu": (
            "install_only.tar.gz",
            "bb5c5d1ea0f199fe2d3f0996fff4b48ca6ddc415a3dbd98f50bff7fce48aac80",
        ),
        "x86_64-unknown-linux-gnu": (
            "install_only.tar.gz",
            "fbed6f7694b2faae5d7c401a856219c945397f772eea5ca50c6eb825cbc9d1e1",
        ),
    },
    "3.12.1+20240107": {
        "aarch64-unknown-linux-gnu": (
            "install_only.tar.gz",
            "236533ef20e665007a111c2f36efb59c87ae195ad7dca223b6dc03fb07064f0b",
        ),
        "x86_64-unknown-linux-gnu": (
            "install_only.tar.gz",
            "74e330b8212ca22fd4d9a2003b9eec14892155566738febc8e5e572f267b9472",
        ),
    },
    "3.12.12+20251209": {
        "aarch64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "969e46f6d86c89152e1ada3e1e41a5483365a3b47cc7158b602f2555d5013674",
        ),
        "x86_64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "aa44c7587f2275c652ce93ee541855ac85bc32a630a6f5b2d705126cf56ca3ff",
        ),
    },
    "3.12.15+20261003": {
        "aarch64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "6541297dd1798dec8b98c3ad7492808a5b9d1c126801ceb2011e7754cd20d1ce",
        ),
        "aarch64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "864b0d0d7a309791182d392f5897444ec5bcc641b7ce42fcf5872a7937f1cdda",
        ),
        "x86_64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "731af898886c5f821890dc901eca3c651cca8e51fa7308c159d12a1194aeac91",
        ),
        "x86_64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "023f2185506665ba038ccb5bc1342a7619e5e0be87a1c3e7f07b3b21bfd38a3e",
        ),
    },
    "3.13.0+20241008": {
        "aarch64-unknown-linux-gnu": (
            "install_only.tar.gz",
            "c1142af8f2c85923d2ba8201a35b913bb903a5d15f052c38bbecf2f49e2342dc",
        ),
        "x86_64-unknown-linux-gnu": (
            "install_only.tar.gz",
            "455200e1a202e9d9ef4b630c04af701c0a91dcaa6462022efc76893fc762ec95",
        ),
    },
    "3.13.11+20251209": {
        "aarch64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "722af642eb185cb7e6f299cf2e11c88524be7470679556f203ab9b6017acedc3",
        ),
        "x86_64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "2b992b79f4abd3e7d05b0b1c532ebacc3d952b0cd0496d6b9b6095b94fb7f0e9",
        ),
    },
    "3.13.16+20261003": {
        "aarch64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "6e9641400f8debd9b7924b27b5ff0662c372852382e291a76c450c7b67414cf6",
        ),
        "aarch64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "a96a3f88130cb0f26e9febb4a4b7bff974cc57c5517c6532eb885c84f9d47070",
        ),
        "x86_64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "4595c5589fff7bf0cb158d9a88a797e0d791fa33830770fcb7bf3f4b104feeae",
        ),
        "x86_64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "dbc1d63c450eb6028d52e3a5d0304bf0fd0e3e9ac16ca8326ff0c19d6005a4c2",
        ),
    },
    "3.14.2+20251205": {
        "aarch64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "5175b3ae01f131aaa85672aca43f4be5ff45f4a3cf6a499a1333e3b67cb83114",
        ),
        "aarch64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "3e50eaf443029a7afde212c905a1623cebee2858dfffae30991233f14050ffa7",
        ),
        "x86_64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "39e256f39f4aa117bad065528febf381b63cf99bc8650f8e901362975ac0b67b",
        ),
        "x86_64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "d36768407763a4a144cdf9e0ec9be7827c0d139d2c79857552717c9b76fc4fb9",
        ),
    },
    "3.14.2t+20251209": {
        "aarch64-unknown-linux-gnu": (
            "freethreaded+pgo+lto-full.tar.zst",
            "adfcb90f3a7e1b3fbc6a99f9c8c8dce1f2e26ea72b724bbe4e9fa39e81e2b0db",
        ),
        "aarch64-unknown-linux-musl": (
            "freethreaded+lto-full.tar.zst",
            "09f96512aa61288e7e9d1e6d382312c5bfcf4b642d81ce85bffb2597997bb863",
        ),
        "x86_64-unknown-linux-gnu": (
            "freethreaded+pgo+lto-full.tar.zst",
            "3728872ffd74989a7b4bbf3f0c629ae8fe821cda2bd6544012c1b92b9f5d5a5b",
        ),
        "x86_64-unknown-linux-musl": (
            "freethreaded+lto-full.tar.zst",
            "365ed13ff83309b32a37dae1002be828c4bcb779dca9ded7086ae08eb3529c11",
        ),
    },
    "3.14.8+20261003": {
        "aarch64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "ece2bf3d4b47c80c2403c5f32fa51a9458abaee93c10def8acafb5f45163e77d",
        ),
        "aarch64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "03267c0737a0a54572024a935579ffce26ebb5ba8a5089645ddae29d97ac6312",
        ),
        "x86_64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "d9ec7a6935ade8b671a57ebaf111083d7314eab8dae5071d167054dadd2b97d6",
        ),
        "x86_64-unknown-linux-musl": (
            "install_only_stripped.tar.gz",
            "c1a91a426d70208a478c1b73c1348955a702de2da0308de89672c1f3972eaa70",
        ),
    },
    "3.14.8t+20261003": {
        "aarch64-unknown-linux-gnu": (
            "freethreaded-install_only_stripped.tar.gz",
            "d828c22d4ec4929fe784789bb3a580704f31a8acc706151dcf7e40a01fc432b1",
        ),
        "aarch64-unknown-linux-musl": (
            "freethreaded-install_only_stripped.tar.gz",
            "91026ffb4b55d744e29afc21f63c35558da0c0e07abaf508a1bc3168bf0b0015",
        ),
        "x86_64-unknown-linux-gnu": (
            "freethreaded-install_only_stripped.tar.gz",
            "076b84b988f4dee7ce3a8cb9b230fe5ef8f3c52df43e611edccc649a3433411d",
        ),
        "x86_64-unknown-linux-musl": (
            "freethreaded-install_only_stripped.tar.gz",
            "1bb08c0e54ea7b0e3962bdc5f0ac6b3fdf2e34266a3f72985c0945631fd7d441",
        ),
    },
    "3.15.1+20261021": {
        "aarch64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "6efe65c43ae0bdebebeab4607f91a0053dd36d5e51cfd69a791d544e9b122be7",
        ),
        "x86_64-unknown-linux-gnu": (
            "install_only_stripped.tar.gz",
            "01d901e09ca673c99a6c9bd9ec2cfbd58dbe8813d07514c36cb73cfd20b18bd8",
        ),
    },
    "3.15.1t+20261021": {
        "aarch64-unknown-linux-gnu": (
            "freethreaded-install_only_stripped.tar.gz",
            "ef47cc367c0aa5ff7c54a866dd4faf68cecba5b8132319195eb253ec1faf8c37",
        ),
        "x86_64-unknown-linux-gnu": (
            "freethreaded-install_only_stripped.tar.gz",
            "3d86fe68eb4684485b2faa2f65b136e44114d4fab933ed66a95af9e54723a0d8",
        ),
    },
}
