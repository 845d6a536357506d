"""An image file with a bit of everything."""

BASE = '''
from pathlib import Path
import json
from helpers import greet

PLACE = Path("/out")
COLOURS = {"red", "green", "blue"}
UNREAD = 1

class Settings:
    depth: int = 3
    names = [one.upper() for one in ("a", "b")]

    def double(self):
        return self.depth * 2

def add(a, b=2):
    return a + b

def f(x=1, *, y="z"):
    """Text."""
    total = add(x)
    for colour in sorted(COLOURS):
        total += len(greet(colour))
    return PLACE, total, Settings().double(), json.dumps([y, {"k": f"{x!r:>{total}} {y}"}])
'''
HELPERS = """
import functools

def loud(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args).upper()
    return inner

@loud
def greet(name):
    return "hello " + name + suffix()

def suffix():
    return "!"

def unused():
    return 1
"""
