//! `memory`: the agent's own notes.

use super::{answer, digest};
use crate::session::Session;
use adjutant_component::HostResult;
use adjutant_component::bindings::memory::Host;
use adjutant_component::bindings::types::Error;
use adjutant_model::{Answer, Call};

impl Host for Session {
    async fn get(&mut self, key: String) -> HostResult<Result<Option<Vec<u8>>, Error>> {
        let reply = self.decided(Call::MemoryGet { key }).await?;
        Ok(answer!(reply, Answer::Bytes(value) => value))
    }

    async fn put(&mut self, key: String, value: Vec<u8>) -> HostResult<Result<(), Error>> {
        let call = Call::MemoryPut {
            key,
            bytes: value.len() as u64,
            digest: digest(&value),
        };
        let reply = self.decided_with(call, Some(value), Vec::new()).await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn remove(&mut self, key: String) -> HostResult<Result<(), Error>> {
        let reply = self.decided(Call::MemoryRemove { key }).await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn keys(&mut self, prefix: String) -> HostResult<Result<Vec<String>, Error>> {
        let reply = self.decided(Call::MemoryKeys { prefix }).await?;
        Ok(answer!(reply, Answer::Keys(keys) => keys))
    }
}
