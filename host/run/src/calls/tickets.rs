//! `tickets`: the board, as far as a run may see it.

use super::{answer, converted};
use crate::convert;
use crate::session::Session;
use adjutant_component::HostResult;
use adjutant_component::bindings::tickets::{Draft, Filter, Host};
use adjutant_component::bindings::types::{Error, Ticket};
use adjutant_model::{Answer, Call};

impl Host for Session {
    async fn create(&mut self, draft: Draft) -> HostResult<Result<String, Error>> {
        let schema = draft
            .expected_output_schema_json
            .map(|text| convert::json("/expected-output-schema-json", &text))
            .transpose();
        let draft = adjutant_model::Draft {
            key: draft.key,
            title: draft.title,
            description: draft.description,
            expected_output_schema: converted!(schema),
        };
        let reply = self.decided(Call::CreateTicket { draft }).await?;
        Ok(answer!(reply, Answer::Ticket(id) => id.to_string()))
    }

    async fn assign(&mut self, ticket: String, agent: String) -> HostResult<Result<(), Error>> {
        let ticket = converted!(convert::id("ticket", &ticket));
        let reply = self.decided(Call::AssignTicket { ticket, agent }).await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn get(&mut self, ticket: String) -> HostResult<Result<Ticket, Error>> {
        let ticket = converted!(convert::id("ticket", &ticket));
        let reply = self.decided(Call::GetTicket { ticket }).await?;
        Ok(answer!(reply, Answer::View(view) => convert::ticket(*view)))
    }

    async fn list(&mut self, filter: Filter) -> HostResult<Result<Vec<Ticket>, Error>> {
        let filter = converted!(convert::filter(filter));
        let reply = self.decided(Call::ListTickets { filter }).await?;
        Ok(answer!(reply, Answer::Views(views) => {
            views.into_iter().map(convert::ticket).collect()
        }))
    }

    async fn comment(&mut self, ticket: String, text: String) -> HostResult<Result<(), Error>> {
        let ticket = converted!(convert::id("ticket", &ticket));
        let reply = self.decided(Call::Comment { ticket, text }).await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn add_collaborator(&mut self, agent: String) -> HostResult<Result<(), Error>> {
        let reply = self.decided(Call::AddCollaborator { agent }).await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn link(&mut self, ticket: String, kind: String) -> HostResult<Result<(), Error>> {
        let ticket = converted!(convert::id("ticket", &ticket));
        let reply = self.decided(Call::LinkTicket { ticket, kind }).await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }
}
