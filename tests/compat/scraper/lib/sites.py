NAMES = ["example.com", "example.org"]
REQUIREMENTS = ["six"]
