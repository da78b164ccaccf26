"""Where the rows and the checkpoint are. Tests put stand-ins in the place of these."""


def load_checkpoint():
    raise OSError("there is no database here")


def save_checkpoint(done):
    raise OSError("there is no database here")


def copy(row):
    raise OSError("there is no database here")
