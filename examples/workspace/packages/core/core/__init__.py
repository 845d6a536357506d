"""What is sold."""

import attrs


@attrs.frozen
class Article:
    name: str
    cents: int
