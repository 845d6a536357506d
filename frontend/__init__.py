"""The process inside the frontend container: loads an image file, compiles it, has BuildKit solve it."""
