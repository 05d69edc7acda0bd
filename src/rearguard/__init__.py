"""rearguard: a rear-collision warning aid for people who run backwards.

An aid, not protective equipment. See README.md for what it does and does not do.
"""

__version__ = "0.1.0"
