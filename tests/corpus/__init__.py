"""The whole path on real files of others, which are read where they lie and never copied into this repository.

`make corpus` reports; `test_corpus.py` holds the goals. `CORPUS_DIR` names the folder.
"""
