"""The native half, of which only the version is asked."""


def full_version():
    return "Furiosa SDK Runtime 0.10.4 (a stand-in)"
