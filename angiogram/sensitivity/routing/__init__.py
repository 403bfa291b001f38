"""The same question for the loader: would the dye see a message that took the wrong way?

In come the contract and its doses, out goes a part of the score.
"""
