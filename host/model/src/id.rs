//! Ids: UUIDs in newtypes, made by the caller (version 7, so that keys grow with time).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map($name)
            }
        }
    };
}

id!(
    /// A workspace, and with it the partition of the store that holds all that belongs to it.
    WorkspaceId
);
id!(
    /// An agent.
    AgentId
);
id!(
    /// A ticket.
    TicketId
);
id!(
    /// One attempt at a ticket.
    RunId
);
id!(
    /// A conversation. A ticket's own channel has the ticket's UUID.
    ChannelId
);
id!(
    /// A message in a channel.
    MessageId
);
id!(
    /// A run's fencing token: whoever writes to a ticket from outside shows it. A secret.
    Token
);
