//! Changes of accounts by administrators, in turn: somebody who can administer is always left. Asked by the edge; it judges nothing else.

use tokio::{sync::Mutex, time::timeout};
use trunkline_protocol::{Principal, Refusal, Role, UserId, limits::ASK_DEADLINE};

use super::{
    directory::{Account, Accounts},
    user::{User, UserCommand},
};
use crate::{AskError, Hub};

/// Whose turn it is. Two administrators who take each other's role away at the same moment would each find the other one still there.
#[derive(Debug, Default)]
pub struct Admins {
    turn: Mutex<()>,
}

impl Admins {
    /// Asks `commands` of an account, in order; resolves when the directory knows what came of them.
    ///
    /// # Errors
    /// Refused where nobody else could administer afterwards, and where there is no such account; those of [`Hub::ask`].
    /// [`AskError::Overloaded`] where too many are before us.
    pub async fn change(&self, hub: &Hub, id: UserId, commands: Vec<UserCommand>, by: &Principal) -> Result<(), AskError> {
        let _turn = timeout(ASK_DEADLINE, self.turn.lock()).await.map_err(|_| AskError::Overloaded)?;
        let accounts = hub.projection::<Accounts>();
        let account = accounts.account(id).filter(Account::has_password).ok_or_else(Refusal::not_found)?;
        let is_last = || account.administers() && accounts.accounts(0, 1, |other| other.administers() && other.id != id).is_empty();
        if commands.iter().any(ends_administering) && is_last() {
            return Err(Refusal::conflict("LAST_ADMIN", "This is the last administrator; make somebody else one first").into());
        }
        for command in commands {
            let outcome = hub.ask::<User>(&account.email, command, hub.asking(by)).await?;
            hub.seen(outcome.position).await?;
        }
        Ok(())
    }
}

fn ends_administering(command: &UserCommand) -> bool {
    match command {
        UserCommand::Disable => true,
        UserCommand::ChangeRole { role, .. } => role.is_some_and(|role| role != Role::Admin),
        UserCommand::SignUp(_)
        | UserCommand::SignIn { .. }
        | UserCommand::RecordFailure { .. }
        | UserCommand::SignOut { .. }
        | UserCommand::ChangePassword { .. }
        | UserCommand::Enable => false,
    }
}
