//! The commands and their flags. `channelgate` alone runs `serve`.

mod health;
mod publish;
mod tail;
mod token;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Parser, Subcommand};
use reqwest::Client;

use crate::{
    backend,
    config::{self, ConfigErrors, Environment},
    consumer,
    node::{self, ReadConfig},
    telemetry::logging,
};

/// Holds the WebSocket connections of a Django Channels project, so that Django keeps only its group_send calls.
#[derive(Debug, Parser)]
#[command(
    name = "channelgate",
    version,
    after_help = "Settings come from the file, then from the environment (REDIS_URL, DJANGO_SECRET_KEY, CHANNELGATE_…); \
                  docs/CONFIGURATION.md lists every key.\n\nExit status: 0 drained or done, 1 failed, 2 the configuration \
                  or a command line is not valid, 130 or 143 ended by a second signal."
)]
struct Cli {
    /// The configuration file (TOML); default: the file named by CHANNELGATE_CONFIG, else a built-in configuration with
    /// all presets.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node (the default).
    Serve,
    /// Validate the configuration; errors name file, line, key and reason.
    Check,
    /// Print the effective configuration, secrets as ***.
    PrintConfig,
    /// Mint a token for a test.
    Token(token::Arguments),
    /// Send one event to a group.
    Publish(publish::Arguments),
    /// Show live what happens to events: received, mapped, delivered, dropped and why.
    Tail(tail::Arguments),
    /// Ask a node whether it is ready; the exit status is 0 if it is.
    Health(health::Arguments),
}

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::of_process();
    let file = cli.config.clone().or_else(|| environment.config_path());
    let named = file.clone();
    let load = move || {
        let (config, consumers) = consumer::load(file.as_deref(), &environment)?;
        node::check(&config).map(|()| (config, consumers))
    };
    let (config, consumers) = match load() {
        Ok(loaded) => loaded,
        Err(errors) => return invalid(&errors),
    };
    let _log = logging::start(config.log.format);
    match cli.command.unwrap_or(Command::Serve) {
        Command::Check => {
            let file = named.map_or_else(|| "the built-in default".to_owned(), |file| file.display().to_string());
            println!("{file}: valid, {} consumers", consumers.len());
            config::hints(&config).iter().for_each(|hint| println!("hint: {hint}"));
            ExitCode::SUCCESS
        }
        Command::PrintConfig => {
            print!("{}", config::effective_toml(&config));
            ExitCode::SUCCESS
        }
        Command::Serve => {
            let reader: ReadConfig = Arc::new(move || load().map(|(config, _)| config));
            done(actix_rt::System::new().block_on(node::serve(config, consumers, reader)))
        }
        Command::Token(arguments) => done(actix_rt::System::new().block_on(token::run(&config, arguments))),
        Command::Tail(arguments) => done(actix_rt::System::new().block_on(tail::run(&config, arguments))),
        Command::Publish(arguments) => done(actix_rt::System::new().block_on(publish::run(&config, arguments))),
        Command::Health(arguments) => done(actix_rt::System::new().block_on(health::run(&config, arguments))),
    }
}

fn invalid(errors: &ConfigErrors) -> ExitCode {
    eprintln!("{errors}");
    ExitCode::from(node::EXIT_CONFIGURATION)
}

/// Splits an address as a node prints it at its start, `http://127.0.0.1:8000/#key=…`, into address and key.
fn split_key(url: &str) -> (&str, Option<&str>) {
    match url.split_once('#') {
        Some((address, fragment)) => (address, fragment.strip_prefix("key=")),
        None => (url, None),
    }
}

/// A client for a node, and the beginning of its URLs; the node is at `http://host:port`, or at `unix:` and a path.
fn client(url: &str) -> reqwest::Result<(Client, String)> {
    let url = url.trim_end_matches('/');
    match url.strip_prefix("unix:") {
        Some(path) => Ok((backend::unix_client(Path::new(path))?, "http://localhost".to_owned())),
        None => Ok((backend::http_client()?, url.to_owned())),
    }
}

fn done(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        log::error!("{error:#}");
        ExitCode::from(node::EXIT_FAILED)
    })
}
