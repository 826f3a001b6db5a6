/**
 * What the pure rooms (src/epaxos, src/kv) must not contain: anything that depends on time, chance, the
 * process or the order of promises. It looks at the syntax tree, so comments and strings do not matter.
 */
import ts from 'typescript';

/** The folders that must be synchronous and deterministic, without packages and node: modules. */
export const PURE_ROOMS = ['epaxos', 'kv'];

/** Names of the global scope that a pure room must not use. */
const FORBIDDEN_GLOBALS = new Set([
  ...['Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'],
  ...['Promise', 'process', 'console', 'crypto', 'global', 'globalThis', 'require', 'Intl', 'eval'],
  ...['WeakRef', 'FinalizationRegistry', 'Atomics', 'Worker', 'MessageChannel'],
]);

/** Methods whose answer depends on the machine's language settings. */
const LOCALE_METHODS = /^(?:localeCompare|toLocale[A-Z]\w*)$/;

/** Everything impure in one file, each as "file:line: what"; empty if there is nothing. */
export function purityViolations(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  const violations: string[] = [];
  const report = (node: ts.Node, what: string) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    violations.push(`${file}:${line + 1}: ${what}`);
  };
  const visit = (node: ts.Node): void => {
    const found = impurity(node);
    if (found !== null) report(node, found);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return violations;
}

/** What is impure in this very node (not in those below it), or null. */
function impurity(node: ts.Node): string | null {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    const name = node.moduleSpecifier;
    return name !== undefined && ts.isStringLiteral(name) && !name.text.startsWith('.')
      ? `imports ${name.text}`
      : null;
  }
  if (ts.isImportTypeNode(node)) return 'import type in place';
  if (ts.isMetaProperty(node)) return 'import.meta or new.target';
  if (ts.isImportEqualsDeclaration(node)) return 'import = require';
  if (ts.isAwaitExpression(node)) return 'await';
  if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) return 'for await';
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'async';
  if (node.kind === ts.SyntaxKind.ImportKeyword && ts.isCallExpression(node.parent)) return 'import()';
  if (ts.isIdentifier(node)) return impureName(node);
  return null;
}

function impureName(node: ts.Identifier): string | null {
  const { parent, text } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) {
    return LOCALE_METHODS.test(text) ? text : null;
  }
  if (isPropertyName(node)) return null;
  if (text === 'Math') {
    const pure = ts.isPropertyAccessExpression(parent) && parent.name.text !== 'random';
    return pure ? null : 'Math.random, or Math as a value';
  }
  return FORBIDDEN_GLOBALS.has(text) ? text : null;
}

/** True where an identifier only names a member: `{ process: 1 }`, `interface { Date: … }`, `x.process`. */
function isPropertyName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isQualifiedName(parent)) return parent.right === node;
  if (ts.isBindingElement(parent)) return parent.propertyName === node;
  return (
    (ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isGetAccessorDeclaration(parent) ||
      ts.isSetAccessorDeclaration(parent)) &&
    parent.name === node
  );
}
