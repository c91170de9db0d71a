"""One file a model: how a dataset is drawn, what is trained, what is measured."""
