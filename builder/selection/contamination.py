class Benchmarks:
    def __init__(self, names):
        pass

    def find(self, text):
        return ""
