//! `reporting`: progress, early output, reports from outside.

use super::{answer, converted};
use crate::convert;
use crate::session::{Session, check_text};
use adjutant_component::HostResult;
use adjutant_component::bindings::reporting::{ExternalReport, Host};
use adjutant_component::bindings::types::Error;
use adjutant_model::{Answer, Call, MessageKind};

impl Host for Session {
    async fn progress(&mut self, note: String) -> HostResult<Result<(), Error>> {
        let call = Call::Progress { note: note.clone() };
        let reply = self.say(call, MessageKind::Progress, note, None).await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn submit_output(&mut self, output_json: String) -> HostResult<Result<(), Error>> {
        converted!(check_text(&output_json, &self.limits));
        let output = converted!(convert::json("", &output_json));
        let reply = self.decided(Call::SubmitOutput { output }).await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn call_for_report(
        &mut self,
        message: String,
        timeout_ms: Option<u64>,
    ) -> HostResult<Result<ExternalReport, Error>> {
        let reply = self
            .decided(Call::CallForReport {
                message,
                timeout_ms,
            })
            .await?;
        Ok(
            answer!(reply, Answer::External { outcome, summary, output } => {
                convert::external(outcome, summary, output)
            }),
        )
    }
}
