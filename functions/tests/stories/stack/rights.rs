//! Holds each function to its IAM policy: a call that it has no right to fails as it would on AWS.

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use serde_json::Value;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the stories' harness has the rest of it"
)]
#[path = "../../../../tests/harness/src/policy.rs"]
mod policy;

use policy::Policy;

#[derive(Debug)]
pub(super) struct Rights(Policy);

impl Rights {
    /// Those of the function of this name.
    pub(super) fn of(function: &str) -> Self {
        Self(Policy::of(function).expect("a policy"))
    }
}

impl Intercept for Rights {
    fn name(&self) -> &'static str {
        "Rights"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let body: Value = serde_json::from_slice(body)?;
        let forbidden = self.0.lacks(&policy::needed(operation, &body));
        match forbidden.first() {
            Some(wrong) => {
                say(wrong);
                Err(wrong.clone().into())
            }
            None => Ok(()),
        }
    }
}

#[allow(
    clippy::print_stderr,
    reason = "the test itself sees only that the store gave no answer"
)]
fn say(wrong: &str) {
    eprintln!("{wrong}");
}
