"""The kinds of source, each a file: what runs inside a render's confined process.

Nothing in here may import pydantic or anything else that is large: the render process holds it all. To add a kind,
write a sibling of directory.py with `render(context) -> Output` and name it in job.py and detection.py.
"""
