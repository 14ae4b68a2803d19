# Recipes of the workspace. `.ci/run` calls them too.
set shell := ["bash", "-euo", "pipefail", "-c"]

# Lists the recipes.
default:
    @just --list

# Checks words, format, lints and documentation. Warnings are errors.
check:
    .ci/words
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --all-features

# Runs all tests of the workspace. A failed test does not stop the other tests.
test:
    cargo test --locked --no-fail-fast

# Prints docs/crossings.md from the table of crossings.
crossings:
    ATTESTA_PRINT_CROSSINGS=1 cargo test --locked -p attesta-b2bua --lib the_page_is_printed

# Checks the dependency graph and the imports: which crate may use which crate.
floors:
    .ci/floors
    cargo deny --locked check bans licenses sources

# Checks the dependencies for known advisories. Not part of the gate, because it needs the network.
advisories:
    cargo deny check advisories

# Runs only the SIPp ring, which tests the binary from outside over real sockets.
ring:
    ATTESTA_REQUIRE_SIPP=1 cargo test --locked -p attesta-tests --test 'sipp_*'

# Runs SEEDS storms of TRANSACTIONS random transactions each on a bad network, and prints how they ended.
storm seeds="1000" transactions="1000":
    cargo run --locked --release -p attesta-tests --example storm -- {{seeds}} {{transactions}}

# Runs COUNT random histories of a switchboard and its peers, and prints a summary.
histories count="1000000":
    cargo run --locked --release -p attesta-tests --example histories -- {{count}}

# Runs COUNT calls of random histories through one switchboard in virtual time, and checks that memory does not grow.
soak count="1000000":
    cargo run --locked --release -p attesta-tests --example soak -- {{count}}

# Runs all races of two events in a call: BEFORE deliveries chosen between the events, AFTER chosen after them, LOSSES lost.
races before="3" after="3" losses="1":
    cargo run --locked --release -p attesta-tests --example races -- {{before}} {{after}} {{losses}}

# Runs CALLS mixed calls at RATE per second over UDP through a real edge. LOSS of 1000 datagrams are lost each way.
lossy calls="20000" rate="200" loss="50":
    cargo run --locked --release -p attesta-tests --example lossy -- {{calls}} {{rate}} {{loss}}

# Calls between PJSIP user agents through a release build of the edge, over UDP, TCP and TLS. Needs PyPI and openssl.
pjsua2: agents-python
    cargo build --locked --release --bin attesta
    for transport in udp tcp tls; do target/agents/bin/python tests/scripts/pjsua2_agents.py target/release/attesta $transport; done

# Calls through the edge and Kamailio, which forks, on either side. Needs PyPI, and the Debian package kamailio.
kamailio: agents-python
    cargo build --locked --release --bin attesta
    target/agents/bin/python tests/scripts/kamailio_agents.py target/release/attesta

# Installs PJSIP for Python into target/agents.
agents-python:
    [ -x target/agents/bin/python ] || python3 -m venv target/agents
    target/agents/bin/pip install --quiet pjsua2-python==2.15.1.post1

# Measures the cost of a call on one core: CALLS in all, RATE per second, and a signing or a verifying edge.
load calls="20000" rate="500" edge="sign":
    cargo run --locked --release -p attesta-tests --example load -- {{calls}} {{rate}} {{edge}}

# Measures the wall time of the hot paths, and of other libraries for the same work.
bench:
    cargo bench --locked -p attesta-benches

# Counts instructions of the hot paths and allocations of calls, and checks their ceilings. Needs valgrind.
instructions:
    cargo bench --locked -p attesta-benches --features valgrind --bench sip_instructions --bench transaction_instructions --bench call_instructions --bench call_memory

# Runs the benchmarks that have ceilings (instructions, allocations, memory). They do not depend on the machine's load.
bench-smoke:
    cargo bench --locked -p attesta-benches --features valgrind --bench stir --bench sip_instructions --bench transaction_instructions --bench transaction_memory --bench call_instructions --bench call_memory

# Fuzzes one target for this many seconds. Needs nightly and cargo-fuzz.
fuzz target seconds="600":
    cargo +nightly fuzz run --fuzz-dir tests/fuzz {{target}} -- -max_total_time={{seconds}} -max_len=4096

# Fuzzes each target for ten seconds, two targets at a time.
fuzz-smoke:
    cargo +nightly fuzz build --fuzz-dir tests/fuzz
    cargo +nightly fuzz list --fuzz-dir tests/fuzz | xargs -P 2 -I {} just fuzz {} 10
