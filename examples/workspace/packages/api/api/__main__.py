"""Says what is sold, as JSON."""

import attrs
import orjson
from core import Article

print(orjson.dumps([attrs.asdict(Article("pen", 120))]).decode())
