//! The container's build file, as it stands: read by a parser, judged by what may never be otherwise.

use std::fs;

use clap::Parser;
use mesh_relay::cli::{Cli, Command};
use parse_dockerfile::{
    Command as Words, CopyInstruction, Dockerfile, HealthcheckArguments, Instruction, Source, Stage,
};

use super::place::top;

/// The file's text.
pub fn text() -> String {
    fs::read_to_string(top().join("docker/Dockerfile")).expect("the file")
}

/// What runs in the end, in the form that needs no shell.
pub struct Start {
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub health: Vec<String>,
    /// The account and its group.
    pub user: String,
}

fn exec(words: &Words<'_>) -> Vec<String> {
    match words {
        Words::Exec(words) => words.value.iter().map(|word| word.value.to_string()).collect(),
        other => panic!("there is no shell in the image that could run {other:?}"),
    }
}

/// The last stage, which becomes the image.
pub fn image<'a, 'b>(file: &'b Dockerfile<'a>) -> Stage<'a, 'b> {
    file.stages().last().expect("a stage")
}

/// What the image starts.
pub fn start(image: &Stage<'_, '_>) -> Start {
    let (mut entrypoint, mut command, mut health, mut user) = (None, None, None, None);
    for instruction in image.instructions {
        match instruction {
            Instruction::Entrypoint(one) => entrypoint = Some(exec(&one.arguments)),
            Instruction::Cmd(one) => command = Some(exec(&one.arguments)),
            Instruction::User(one) => user = Some(one.arguments.value.to_string()),
            Instruction::Healthcheck(one) => match &one.arguments {
                HealthcheckArguments::Cmd { arguments, .. } => health = Some(exec(arguments)),
                other => panic!("{other:?}"),
            },
            _ => {}
        }
    }
    Start {
        entrypoint: entrypoint.expect("ENTRYPOINT"),
        command: command.expect("CMD"),
        health: health.expect("HEALTHCHECK"),
        user: user.expect("USER"),
    }
}

/// The stage that a COPY takes from; none for the build's context.
pub fn from<'a>(copy: &'a CopyInstruction<'_>) -> Option<&'a str> {
    option(copy, "from")
}

/// The value of one of a COPY's options.
pub fn option<'a>(copy: &'a CopyInstruction<'_>, name: &str) -> Option<&'a str> {
    let flag = copy.options.iter().find(|flag| flag.name.value == name)?;
    flag.value.as_ref().map(|value| &*value.value)
}

/// The paths that a COPY takes.
pub fn sources<'a>(copy: &'a CopyInstruction<'_>) -> Vec<&'a str> {
    let path = |source: &'a Source<'_>| match source {
        Source::Path(path) => &*path.value,
        other => panic!("{other:?} is no path"),
    };
    copy.src.iter().map(path).collect()
}

#[test]
fn the_image_has_no_shell_no_root_and_starts_the_program_that_was_copied() {
    let text = text();
    let file = parse_dockerfile::parse(&text).expect("a build file");
    let names: Vec<_> = file
        .stages()
        .filter_map(|stage| stage.from.as_.as_ref().map(|(_, name)| name.value.to_string()))
        .collect();
    let image = image(&file);
    // What is built on one Debian runs with the libraries of the same one.
    let build = file.stages().next().expect("a stage").from.image.value.to_string();
    assert!(build.starts_with("rust:") && build.ends_with("-bookworm"), "{build}");
    assert_eq!(image.from.image.value, "gcr.io/distroless/cc-debian12:nonroot");

    let start = start(&image);
    let (user, group) = start.user.split_once(':').expect("an account and a group");
    // By number: Kubernetes' `runAsNonRoot` cannot tell who a name is.
    assert!([user, group].iter().all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{}", start.user);
    let mut copied = Vec::new();
    for instruction in image.instructions {
        match instruction {
            Instruction::Copy(copy) => {
                assert!(names.iter().any(|name| Some(name.as_str()) == from(copy)), "{copy:?}");
                copied.push(copy.dest.value.to_string());
            }
            Instruction::Run(run) => panic!("there is nothing in the image that could run {run:?}"),
            Instruction::Add(add) => panic!("{add:?} would fetch or unpack something"),
            _ => {}
        }
    }
    assert!(copied.contains(&start.entrypoint[0]), "{} is copied nowhere", start.entrypoint[0]);

    let line = start.entrypoint.iter().chain(&start.command);
    assert!(matches!(Cli::try_parse_from(line).expect("a command line").command, Command::Run(_)));
    assert_eq!(start.health[0], start.entrypoint[0]);
    assert!(matches!(
        Cli::try_parse_from(&start.health).expect("a command line").command,
        Command::Health(_)
    ));
}

#[test]
fn what_is_built_is_the_repository_without_history_and_builds() {
    let ignored = fs::read_to_string(top().join(".dockerignore")).expect("the file");
    for name in ["target", ".git"] {
        assert!(ignored.lines().any(|line| line == name), "{name} would be sent to the builder");
    }
}
