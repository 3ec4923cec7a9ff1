# The commands. `make book` and `make test` need only Python 3.11 or newer; the environment is made on the first call.
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3 python; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
export PYTHONHASHSEED := 0
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help env cache book pdf test quick notebooks instructor student offline class lint clean links audit colab hashes

help:  ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

env:  ## make .venv, or bring it up to date
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found; install it, or say which: make test PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) tools/make_env.py

cache: env  ## fetch models and data, encode texts
	@$(PY) -m tools.make_cache

book: env  ## run all chapters and build the book into _build/html
	@$(PY) -m tools.build_book

pdf: env  ## the whole book as one PDF, _build/across-scenes.pdf (needs Chromium)
	@$(PY) -m tools.print_book

test: env  ## lint, notebooks, unit tests, all chapters
	@$(PY) -m tools.run_tests

quick: env  ## the inner loop: lint, unit tests, chapters touched since the last commit
	@$(PY) -m tools.run_tests --quick

notebooks: env  ## make chapters/*.ipynb from chapters/*.md, and the table of exercises
	@$(PY) -m tools.make_notebooks
	@$(PY) -m tools.exercise_table
	@$(PY) -m tools.cards

instructor: env  ## make the notebooks with solutions, in _build/instructor
	@$(PY) -m tools.make_notebooks --instructor

student: env  ## make a copy without solutions for a class: make student TO=../course [URL=https://github.com/you/course]
	@test -n "$(TO)" || { echo "Say where to: make student TO=../course"; exit 1; }
	@$(PY) -m tools.student_copy "$(TO)" $(if $(URL),--url "$(URL)")

offline: env  ## make a folder for a class without internet: make offline TO=../class [DATA="amazon-fkb"]
	@test -n "$(TO)" || { echo "Say where to: make offline TO=../class"; exit 1; }
	@$(PY) -m tools.offline_folder "$(TO)" $(if $(DATA),--data $(DATA))

class: env  ## the homework of one class: make class SEED=a-secret-number TO=a-new-folder
	@test -n "$(SEED)" || { echo "Say your seed, a secret whole number: make class SEED=90210 TO=../autumn"; exit 1; }
	@test -n "$(TO)" || { echo "Say where to: make class SEED=90210 TO=../autumn"; exit 1; }
	@$(PY) -m tools.class_set "$(SEED)" "$(TO)"

lint: env  ## ruff
	@$(PY) -m ruff check .

links: env  ## ask every address outside the built book whether it is still there
	@$(PY) -m tools.check_links

audit: env  ## known vulnerabilities of the pinned packages; exceptions stand in audit.toml
	@$(PY) -m tools.audit

hashes: env  ## write constraints-hashed.txt after a change of constraints.txt (needs uv)
	@$(PY) -m tools.make_hashes

colab:  ## run the chapters in environments shaped like Colab's: Python 3.12 and 3.13, transformers 4 and 5
	@for p in 3.12 3.13; do for t in ">=4.56,<5" ">=5,<6"; do $(PYTHON) tools/try_colab.py --python python$$p --transformers "$$t" --record || exit 1; done; done

clean:  ## remove what was built (not the environment, not the downloads)
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -type d -prune -exec rm -rf {} +
