"""(in the making)"""
def load_tidy(folder): raise NotImplementedError
