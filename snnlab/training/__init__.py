"""Training of any network: `trainer.fit` with recipes, callbacks, checkpoints and evaluation.

`experiments` runs lists of training stages, `launch` many trainings or one in several processes.
"""
