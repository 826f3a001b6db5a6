/** `epaxos completion`: a script that lets the shell complete commands and flags. */
import { Argument, type Command, type Option } from 'commander';
import { write } from '../io.ts';
import type { CommandContext } from './context.ts';

const HELP = `
Examples:
  source <(epaxos completion bash)    for this shell; put the line into ~/.bashrc to keep it
  source <(epaxos completion zsh)     likewise, in ~/.zshrc
`;

export function addCompletion(program: Command, context: CommandContext): void {
  program
    .command('completion')
    .summary('print a completion script')
    .description('Prints a script that lets the shell complete commands, flags and some of their values.')
    .addArgument(new Argument('<shell>', 'the shell to complete for').choices(['bash', 'zsh']))
    .addHelpText('after', HELP)
    .action(async (shell: 'bash' | 'zsh') => {
      await write(context.io.stdout, completionScript(program, shell));
    });
}

/**
 * The script. For zsh it is that of bash, behind what makes zsh understand it: zsh's own completion must be there first,
 * and many start zsh without it.
 */
function completionScript(program: Command, shell: 'bash' | 'zsh'): string {
  const commands = program.createHelp().visibleCommands(program);
  const names = commands.map((command) => command.name());
  const globalFlags = flagsOf(program);
  const wordsOf = (command: Command) => [
    ...(command.name() === 'help' ? names : operandsOf(command)),
    ...flagsOf(command),
    ...globalFlags,
  ];
  const lines = [
    ...(shell === 'zsh' ? ZSH_LINES : []),
    '_epaxos() {',
    `  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="" words="" word`,
    `  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do`,
    `    case "$word" in ${names.join('|')}) command="$word"; break ;; esac`,
    '  done',
    '  case "$command" in',
    ...commands.map((command) => `    ${command.name()}) words="${wordsOf(command).join(' ')}" ;;`),
    `    *) words="${[...names, ...globalFlags].join(' ')}" ;;`,
    '  esac',
    '  case "$command $previous" in',
    ...valueCases(program, '*'),
    ...commands.flatMap((command) => valueCases(command, command.name())),
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    'complete -o default -F _epaxos epaxos',
  ];
  return `${lines.join('\n')}\n`;
}

const ZSH_LINES = [
  // -i: directories that others may write to are left out, instead of a question in the midst of a shell's start.
  'typeset -f compdef >/dev/null || { autoload -U +X compinit && compinit -i; }',
  'autoload -U +X bashcompinit && bashcompinit',
];

function visibleOptions(command: Command): Option[] {
  return command.createHelp().visibleOptions(command);
}

function flagsOf(command: Command): string[] {
  return visibleOptions(command).flatMap((option) => option.long ?? []);
}

/** What may stand behind a command, if that is a fixed set. */
function operandsOf(command: Command): string[] {
  return command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
}

/** Behind a flag that takes a value: the values, if they are a fixed set; otherwise no word of ours. */
function valueCases(command: Command, name: string): string[] {
  return visibleOptions(command)
    .filter((option) => option.required)
    .map(({ short, long, argChoices }) => {
      const patterns = [short, long].flatMap((flag) => (flag ? [`${name}" ${flag}"`] : []));
      return `    ${patterns.join('|')}) words="${(argChoices ?? []).join(' ')}" ;;`;
    });
}
