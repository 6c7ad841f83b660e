# Every target is a thin call of a script; `make help` lists them.
SHELL := /bin/bash
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help build install uninstall demo check test test-all unit smoke integration fuzz up ps logs down inspect-results clients bench bench-binlog docker-check fmt lint doc deny clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## install what cargo needs, then build target/release/mysql-interceptor
	integration/servers/install.sh build
	cargo build --release --locked

PREFIX ?= /usr/local
BINARY ?= target/release/mysql-interceptor
share = $(DESTDIR)$(PREFIX)/share
completions = $(share)/bash-completion/completions/mysql-interceptor $(share)/zsh/site-functions/_mysql-interceptor \
  $(share)/fish/vendor_completions.d/mysql-interceptor.fish

install: ## after `make build`: binary, man page and completions below PREFIX=/usr/local (DESTDIR= for packages)
	@test -x $(BINARY) || { echo "there is no $(BINARY): make build first" >&2; exit 1; }
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/mysql-interceptor
	$(BINARY) man | install -D -m 644 /dev/stdin $(share)/man/man1/mysql-interceptor.1
	$(BINARY) completions bash | install -D -m 644 /dev/stdin $(word 1,$(completions))
	$(BINARY) completions zsh | install -D -m 644 /dev/stdin $(word 2,$(completions))
	$(BINARY) completions fish | install -D -m 644 /dev/stdin $(word 3,$(completions))

uninstall: ## remove what `make install` put there
	rm -f $(DESTDIR)$(PREFIX)/bin/mysql-interceptor $(share)/man/man1/mysql-interceptor.1 $(completions)

demo: ## see it work: a throwaway MySQL, the proxy, a few statements and their messages
	integration/demo.sh

check: lint unit smoke ## after a change: format, clippy, unit tests, a quick look at it with one real server

test: unit integration ## what CI runs: unit tests, then real servers and clients (a sample of what is exhaustive)

test-all: ## the same with all combinations and more seeds: hours
	INTERCEPTOR_LONG=1 $(MAKE) test

unit: ## cargo test
	integration/servers/install.sh build
	cargo test --locked

smoke: ## a few integration tests with MySQL only
	integration/run.sh --smoke $(ARGS)

integration: ## pytest against real MySQL, MariaDB and Kafka (ARGS="-k name" chooses)
	integration/run.sh $(ARGS)

fuzz: ## arbitrary bytes for parsers and observer, with AddressSanitizer (FUZZ_SECONDS=60 FUZZ_TARGETS="rows session")
	FUZZ_SECONDS="$(FUZZ_SECONDS)" FUZZ_TARGETS="$(FUZZ_TARGETS)" fuzz/run.sh $(ARGS)

clients: ## only the matrix of client programs and drivers
	integration/run.sh -k clients $(ARGS)

up: ## start a development set: MySQL, Kafka, the proxy (Docker when there is an engine)
	integration/dev.sh up

ps: ## what runs of it, and the DSN to use
	integration/dev.sh ps

logs: ## its logs (NAME=proxy|mysql|kafka)
	integration/dev.sh logs $(NAME)

down: ## stop it; its data stays in .cache/dev
	integration/dev.sh down

inspect-results: ## messages in its Kafka topic (TOPIC= PATTERN= DEBUG= FOLLOW=1)
	@TOPIC='$(TOPIC)' PATTERN='$(PATTERN)' DEBUG='$(DEBUG)' FOLLOW='$(FOLLOW)' integration/dev.sh inspect

bench: ## measure the proxy beside HAProxy, MySQL Router and no proxy (ARGS=...)
	benches/run.sh $(ARGS)

bench-binlog: ## measure `binlog` beside mysqlbinlog (ARGS=...)
	integration/servers/install.sh python mysql
	benches/binlog_bench.py $(ARGS)

docker-check: ## build the image and try it, with Docker or without
	docker/check.sh

fmt: ## format the sources
	cargo fmt

lint: ## format and clippy, as CI checks them
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

doc: ## the library's documentation; a warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

deny: ## licences, sources and duplicates of the dependencies; known vulnerabilities where their list can be fetched
	integration/servers/deny.sh

clean: ## remove what was built and the development set (rm -r .cache removes the servers too)
	integration/dev.sh down
	cargo clean
	rm -rf "$${INTERCEPTOR_CACHE:-.cache}/dev"
