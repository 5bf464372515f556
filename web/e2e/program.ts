/** The real program on a free port, with its data in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { vi } from 'vitest';

/** However slow the machine. In milliseconds. */
const PATIENCE = 30_000;

export type Environment = Readonly<Record<string, string>>;

export class Program {
  private constructor(
    private readonly dir: string,
    private readonly environment: Environment,
    private child: ChildProcess,
    /** Where it listens, also after a restart. */
    readonly url: string,
  ) {}

  static async start(environment: Environment = {}): Promise<Program> {
    const dir = mkdtempSync(join(tmpdir(), 'atomik-e2e-'));
    const [child, url] = await launch(dir, environment, '127.0.0.1:0');
    const program = new Program(dir, environment, child, url);
    await program.ready();
    return program;
  }

  /** Asks it to end, as a service manager does. Throws where it does not end, or not well. */
  async stop(): Promise<void> {
    const { child } = this;
    const ended = once(child, 'exit', { signal: AbortSignal.timeout(PATIENCE) });
    child.kill('SIGTERM');
    const [code, signal] = (await ended) as [number | null, string | null];
    if (code !== 0) {
      throw new Error(`The program ended with ${code ?? signal ?? 'nothing'}:\n${this.log()}`);
    }
  }

  /** Starts it again where it was, on what it stored. */
  async again(): Promise<void> {
    [this.child] = await launch(this.dir, this.environment, new URL(this.url).host);
    await this.ready();
  }

  /** Throws its data away; nobody but a test may want that. */
  forget(): void {
    this.child.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }

  log(): string {
    return readFileSync(logIn(this.dir), 'utf8');
  }

  private async ready(): Promise<void> {
    const ask = async () => {
      const answer = await fetch(`${this.url}/readyz`);
      if (answer.status !== 200) {
        throw new Error(`not ready: ${answer.status} ${await answer.text()}\n${this.log()}`);
      }
    };
    await vi.waitFor(ask, { timeout: PATIENCE });
  }
}

function logIn(dir: string): string {
  return join(dir, 'program.log');
}

async function launch(dir: string, environment: Environment, listen: string): Promise<[ChildProcess, string]> {
  const binary = process.env['ATOMIK_BINARY'];
  if (binary === undefined) {
    throw new Error('ATOMIK_BINARY names no program: run scripts/test-dashboard.sh');
  }
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('ATOMIK_'));
  const log = openSync(logIn(dir), 'a');
  const child = spawn(binary, ['serve', '--listen', listen, '--data-dir', join(dir, 'data')], {
    cwd: dir,
    env: { ...Object.fromEntries(others), ...environment },
    stdio: ['ignore', 'pipe', log],
  });
  closeSync(log);
  process.once('exit', () => child.kill('SIGKILL'));
  const url = await addressOf(child, dir);
  return [child, url];
}

/** Its first line says where it listens. */
async function addressOf(child: ChildProcess, dir: string): Promise<string> {
  if (child.stdout === null) {
    throw new Error('The program has no output to read');
  }
  // The rest is read too, so that the program never waits for a full pipe.
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, 'exit').then(() => ['']);
  const [first] = (await Promise.race([once(lines, 'line', { signal: AbortSignal.timeout(PATIENCE) }), ended])) as [string];
  const url = /http:\/\/[\d.:]+/.exec(first)?.[0];
  if (url === undefined) {
    throw new Error(`The program does not say where it listens: ${readFileSync(logIn(dir), 'utf8')}`);
  }
  return url;
}
