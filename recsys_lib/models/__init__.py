"""Everything that ranks. One protocol: ``fit(log, until=None) -> self`` sees only events before ``until``;
``score(users, scene, history=None) -> float32 [len(users), items in scene]``, higher is better."""
