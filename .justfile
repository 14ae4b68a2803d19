# Recipes of the workspace; `.ci/run` calls the same ones.
set shell := ["bash", "-euo", "pipefail", "-c"]

# What there is.
default:
    @just --list

# Plain words, format, lints and documentation, each with warnings as errors.
check:
    .ci/words
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --all-features

# All tests of the workspace; one that fails keeps none of the others from running.
test:
    cargo test --locked --no-fail-fast

# Prints docs/crossings.md from the table of crossings.
crossings:
    ATTESTA_PRINT_CROSSINGS=1 cargo test --locked -p attesta-b2bua --lib the_page_is_printed

# Which crate may know which: the dependency graph and the imports.
floors:
    .ci/floors
    cargo deny --locked check bans licenses sources

# Known advisories against the dependencies; needs the network, so it is not part of the gate.
advisories:
    cargo deny check advisories

# The SIPp ring alone: the binary from outside, over real sockets.
ring:
    ATTESTA_REQUIRE_SIPP=1 cargo test --locked -p attesta-tests --test 'sipp_*'

# Transactions by chance on a bad network: SEEDS runs of TRANSACTIONS each, and how they ended.
storm seeds="1000" transactions="1000":
    cargo run --locked --release -p attesta-tests --example storm -- {{seeds}} {{transactions}}

# Histories of a switchboard and its peers by chance, COUNT of them, and how they went.
histories count="1000000":
    cargo run --locked --release -p attesta-tests --example histories -- {{count}}

# One switchboard goes through COUNT calls of random histories in virtual time, and keeps no memory of them.
soak count="1000000":
    cargo run --locked --release -p attesta-tests --example soak -- {{count}}

# What a call costs on one core: CALLS in all, RATE per second, and a signing or a verifying edge.
load calls="20000" rate="500" edge="sign":
    cargo run --locked --release -p attesta-tests --example load -- {{calls}} {{rate}} {{edge}}

# Wall time of the hot paths, beside what others need for the same.
bench:
    cargo bench --locked -p attesta-benches

# Instructions of the hot paths and what calls allocate, beside their ceilings; needs valgrind.
instructions:
    cargo bench --locked -p attesta-benches --features valgrind --bench sip_instructions --bench transaction_instructions --bench call_instructions --bench call_memory

# The benchmarks whose figures have ceilings: instructions, allocations and memory, which do not depend on the load of the
# machine.
bench-smoke:
    cargo bench --locked -p attesta-benches --features valgrind --bench stir --bench sip_instructions --bench transaction_instructions --bench transaction_memory --bench call_instructions --bench call_memory

# Fuzzes one target for so many seconds; needs nightly and cargo-fuzz.
fuzz target seconds="600":
    cargo +nightly fuzz run --fuzz-dir tests/fuzz {{target}} -- -max_total_time={{seconds}} -max_len=4096

# Ten seconds of each target.
fuzz-smoke:
    for target in $(cargo +nightly fuzz list --fuzz-dir tests/fuzz); do just fuzz "$target" 10; done
