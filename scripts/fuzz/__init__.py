"""Fuzzing: every reader of fer is given what nobody should give it.

``python -m scripts.fuzz`` (``make fuzz``) mutates valid files and requests, and gives each to the
reader it belongs to, in a process of its own. Each case must end in a result or in a named error
(`FerError`): any other exception, a case that takes too long or too much memory, and a process
that dies are failures. The cases follow from the seed alone.
"""
