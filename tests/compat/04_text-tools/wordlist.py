WORDS = ["apple", "pear"]
