//! Runs the examples of attesta-stir to their end.

#[path = "../examples/custom_policy.rs"]
mod custom_policy;
#[path = "../examples/sign_verify.rs"]
mod sign_verify;

#[test]
fn what_is_signed_is_verified() {
    sign_verify::main().unwrap();
}

#[test]
fn a_policy_decides() {
    custom_policy::main().unwrap();
}
