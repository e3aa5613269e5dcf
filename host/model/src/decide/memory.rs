//! An agent's own durable key-value space.

use super::Tx;
use crate::{AgentId, Refusal};

/// Keys that one `memory.keys` answers with at most.
const KEYS_LIMIT: usize = 1_000;

impl Tx<'_> {
    pub(super) fn memory_get(&self, agent: AgentId, key: &str) -> Result<Option<Vec<u8>>, Refusal> {
        self.check_key(key)?;
        Ok(self
            .state
            .memory
            .get(&agent)
            .and_then(|memory| memory.get(key))
            .cloned())
    }

    pub(super) fn memory_put(
        &mut self,
        agent: AgentId,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Refusal> {
        self.check_key(&key)?;
        let limits = self.context.limits;
        if value.len() > limits.memory_value_bytes {
            return Err(Refusal::Limit(format!(
                "a value has at most {} bytes (limit `memory_value_bytes`)",
                limits.memory_value_bytes
            )));
        }
        let memory = self.state.memory.entry(agent).or_default();
        let used: usize = memory
            .iter()
            .filter(|(known, _)| **known != key)
            .map(|(known, value)| known.len() + value.len())
            .sum();
        if used + key.len() + value.len() > limits.memory_bytes {
            return Err(Refusal::Limit(format!(
                "this agent's memory is full: {} bytes (limit `memory_bytes`)",
                limits.memory_bytes
            )));
        }
        memory.insert(key.clone(), value.clone());
        self.changes.memory.push((agent, key, Some(value)));
        Ok(())
    }

    pub(super) fn memory_remove(&mut self, agent: AgentId, key: &str) -> Result<(), Refusal> {
        self.check_key(key)?;
        let memory = self.state.memory.entry(agent).or_default();
        if memory.remove(key).is_some() {
            self.changes.memory.push((agent, key.to_owned(), None));
        }
        Ok(())
    }

    pub(super) fn memory_keys(&self, agent: AgentId, prefix: &str) -> Vec<String> {
        let Some(memory) = self.state.memory.get(&agent) else {
            return Vec::new();
        };
        memory
            .range(prefix.to_owned()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .take(KEYS_LIMIT)
            .cloned()
            .collect()
    }

    fn check_key(&self, key: &str) -> Result<(), Refusal> {
        let limit = self.context.limits.memory_key_bytes;
        if key.is_empty() {
            return Err(Refusal::invalid("/key", "a key has at least one character"));
        }
        if key.len() > limit {
            return Err(Refusal::Limit(format!(
                "a key has at most {limit} bytes (limit `memory_key_bytes`)"
            )));
        }
        Ok(())
    }
}
