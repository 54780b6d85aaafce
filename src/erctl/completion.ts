import type { Argument, Command, Option } from 'commander';

/** Shells that have a completion script. */
export const shells = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof shells)[number];

/** Renders the completion script of the whole command line for a shell. */
export function renderCompletion(program: Command, shell: Shell): string {
  const commands = program.commands.filter((one) => one.name() !== 'help');
  return { bash: renderBash, zsh: renderZsh, fish: renderFish }[shell](program.name(), commands);
}

/** Returns the allowed values of an option or argument, or undefined if it accepts anything, such as a file. */
function choicesOf(one: Option | Argument): readonly string[] | undefined {
  return one.argChoices;
}

function longOptions(command: Command): Option[] {
  return command.options.filter(({ long }) => long !== undefined && long !== null);
}

/** Returns whether the command's arguments are files. */
function takesFiles(command: Command): boolean {
  return command.registeredArguments.some((one) => choicesOf(one) === undefined);
}

function renderBash(name: string, commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const options = [...longOptions(command).map(({ long }) => long), '--help'].join(' ');
    const words = command.registeredArguments.flatMap((one) => choicesOf(one) ?? []).join(' ');
    const files = takesFiles(command) ? '\n      [[ $word != -* ]] && compopt -o default' : '';
    return `    ${command.name()})\n      words='${options} ${words}'${files} ;;\n`;
  });
  const values = commands.flatMap((command) =>
    longOptions(command).flatMap((option) => {
      const choices = choicesOf(option);
      return choices === undefined ? [] : [`    '${command.name()} ${option.long}') words='${choices.join(' ')}' ;;\n`];
    }),
  );
  return `# bash completion of ${name}: source <(${name} completion bash)
_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${commands.map((one) => one.name()).join(' ')} --help --version'
  else
    case "\${COMP_WORDS[1]}" in
${cases.join('')}    esac
    case "\${COMP_WORDS[1]} $before" in
${values.join('')}    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _${name} ${name}
`;
}

function renderZsh(name: string, commands: readonly Command[]): string {
  const quote = (text: string): string => text.replaceAll(/['[\]:]/g, ' ');
  const list = commands.map((command) => `    '${command.name()}:${quote(command.summary())}'\n`);
  const cases = commands.map((command) => {
    const specs = longOptions(command).map((option) => {
      const choices = choicesOf(option);
      const value = option.required ? `:value:${choices === undefined ? '_files' : `(${choices.join(' ')})`}` : '';
      return `      '${option.long}[${quote(option.description)}]${value}'`;
    });
    const rest = command.registeredArguments.map((one) => {
      const choices = choicesOf(one);
      return `      '*:${one.name()}:${choices === undefined ? '_files' : `(${choices.join(' ')})`}'`;
    });
    return `    ${command.name()}) _arguments \\\n${[...specs, ...rest, "      '--help[print help]'"].join(' \\\n')} ;;\n`;
  });
  return `#compdef ${name}
# zsh completion of ${name}: source <(${name} completion zsh)
_${name}() {
  local -a commands
  commands=(
${list.join('')}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('')}  esac
}
compdef _${name} ${name}
`;
}

function renderFish(name: string, commands: readonly Command[]): string {
  const quote = (text: string): string => text.replaceAll('\\', ' ').replaceAll("'", "\\'");
  const lines = commands.flatMap((command) => {
    const seen = `-n '__fish_seen_subcommand_from ${command.name()}'`;
    const options = longOptions(command).map((option) => {
      const choices = choicesOf(option);
      const value = choices === undefined ? (option.required ? ' -r' : '') : ` -x -a '${choices.join(' ')}'`;
      return `complete -c ${name} ${seen} -l ${option.long?.slice(2)}${value} -d '${quote(option.description)}'\n`;
    });
    const words = command.registeredArguments.flatMap((one) => choicesOf(one) ?? []);
    return [
      `complete -c ${name} -n __fish_use_subcommand -a ${command.name()} -d '${quote(command.summary())}'\n`,
      ...(takesFiles(command) ? [`complete -c ${name} ${seen} -F\n`] : []),
      ...options,
      ...(words.length === 0 ? [] : [`complete -c ${name} ${seen} -a '${words.join(' ')}'\n`]),
    ];
  });
  return `# fish completion of ${name}: ${name} completion fish | source\ncomplete -c ${name} -f\n${lines.join('')}`;
}
