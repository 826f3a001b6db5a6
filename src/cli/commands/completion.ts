/** `epaxos completion`: a script that lets the shell complete commands and flags. */
import { Argument, type Command } from 'commander';
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
    .description('Prints a script that lets the shell complete commands and flags.')
    .addArgument(new Argument('<shell>', 'the shell to complete for').choices(['bash', 'zsh']))
    .addHelpText('after', HELP)
    .action(async (shell: 'bash' | 'zsh') => {
      await write(context.io.stdout, completionScript(program, shell));
    });
}

function completionScript(program: Command, shell: 'bash' | 'zsh'): string {
  const names = program.commands.map((command) => command.name());
  const cases = program.commands.map(
    (command) => `    ${command.name()}) words="${[...flagsOf(command), ...flagsOf(program)].join(' ')}" ;;`,
  );
  const lines = [
    ...(shell === 'zsh' ? ['autoload -U +X bashcompinit && bashcompinit'] : []),
    '_epaxos() {',
    `  local current="\${COMP_WORDS[COMP_CWORD]}" command="" words="" word`,
    `  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do`,
    `    case "$word" in ${names.join('|')}) command="$word"; break ;; esac`,
    '  done',
    '  case "$command" in',
    ...cases,
    `    *) words="${[...names, ...flagsOf(program)].join(' ')}" ;;`,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    'complete -o default -F _epaxos epaxos',
  ];
  return `${lines.join('\n')}\n`;
}

function flagsOf(command: Command): string[] {
  const visible = command.createHelp().visibleOptions(command);
  return visible.flatMap((option) => (option.long ? [option.long] : []));
}
