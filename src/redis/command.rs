//! Runs commands and adds the command to permission errors, in which Redis often names neither the command nor the key.
//! The key is never named, because it may contain a token.

use redis::{
    Arg, Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, ScriptInvocation, aio::MultiplexedConnection,
    make_extension_error,
};

/// The error code of a command that the user is not permitted to run.
const NO_PERMISSION: &str = "NOPERM";

/// The texts that Redis uses instead for a command within a script, by version.
const IN_SCRIPT: [&str; 2] = ["The user executing the script can't", "ACL failure in script"];

/// Runs one command.
pub async fn query<T: FromRedisValue>(connection: &mut MultiplexedConnection, command: &Cmd) -> RedisResult<T> {
    command.query_async(connection).await.map_err(|error| of_command(&name(command), error))
}

/// Runs several commands in one exchange.
pub async fn exchange<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    commands: &Pipeline,
) -> RedisResult<T> {
    commands.query_async(connection).await.map_err(|error| of_pipeline(commands, error))
}

/// Runs one script.
pub async fn invoke<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    script: &ScriptInvocation<'_>,
) -> RedisResult<T> {
    script.invoke_async(connection).await.map_err(|error| of_command("a script", error))
}

/// The same error; it names the command if the user is not permitted to run it.
pub fn of_command(command: &str, error: RedisError) -> RedisError {
    let in_script = |detail: &str| IN_SCRIPT.iter().any(|text| detail.contains(text));
    match error.code() == Some(NO_PERMISSION) || error.detail().is_some_and(in_script) {
        true => refusal(command, error.detail().unwrap_or_default()),
        false => error,
    }
}

/// The first error of several commands, as that of a single one.
fn of_pipeline(commands: &Pipeline, error: RedisError) -> RedisError {
    let Some(errors) = error.clone().into_server_errors() else { return error };
    let Some((at, first)) = errors.first() else { return error };
    let detail = first.details().unwrap_or_default();
    if first.code() != NO_PERMISSION {
        return make_extension_error(first.code().to_owned(), Some(detail.to_owned()));
    }
    let command = commands.cmd_iter().nth(*at).map(name).unwrap_or_default();
    refusal(&command, detail)
}

fn name(command: &Cmd) -> String {
    match command.args_iter().next() {
        Some(Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    }
}

fn refusal(command: &str, detail: &str) -> RedisError {
    let text = format!(
        "{command} is not allowed: {detail}; docs/operations/redis-acl.md lists the rights that a node needs, and ACL LOG of \
         Redis the missing one"
    );
    make_extension_error(NO_PERMISSION.to_owned(), Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_error(code: &str, detail: &str) -> RedisError {
        make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn a_permission_error_names_its_command_and_any_other_stays_unchanged() {
        let key = server_error("NOPERM", "this user has no permissions to access one of the keys used as arguments");
        let said = of_command("ZADD", key).to_string();
        assert!(said.contains("ZADD is not allowed: this user has no permissions") && said.contains("redis-acl.md"));
        let old = server_error("ERR", "The user executing the script can't run this command or subcommand script: 1");
        assert!(of_command("a script", old).to_string().contains("a script is not allowed"));
        let other = server_error("OOM", "command not allowed when used memory > 'maxmemory'");
        assert_eq!(of_command("ZADD", other.clone()).to_string(), other.to_string());
    }
}
