"""`python -m snnlab ...`: the command `snnlab`, also where its folder is not on the PATH."""

from snnlab.cli.main import app

if __name__ == "__main__":
    app(prog_name="snnlab")
