/** A fake of a broker's venue, run as a program of its own. It does what the real one is documented to do. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export class Venue {
  private constructor(
    private readonly child: ChildProcessWithoutNullStreams,
    private readonly lines: AsyncIterator<string>,
    /** Where it listens: an address, or what the venue has instead of one. */
    readonly address: string,
  ) {}

  static async start(name: string): Promise<Venue> {
    const binary = process.env['ATOMIK_VENUE'];
    if (binary === undefined) {
      throw new Error('ATOMIK_VENUE names no program: run scripts/test-dashboard.sh');
    }
    const child = spawn(binary, [name]);
    child.stderr.pipe(process.stderr);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return new Venue(child, lines, await lineOf(lines));
  }

  /** Buys, or sells where the quantity is negative, at the venue itself. */
  async tradeByHand(symbol: string, qty: number): Promise<void> {
    await this.do(`trade ${qty < 0 ? 'SELL' : 'BUY'} ${Math.abs(qty)} ${symbol}`);
  }

  async movePrice(symbol: string, price: string): Promise<void> {
    await this.do(`price ${price} ${symbol}`);
  }

  /** What the account holds there. */
  held(symbol: string): Promise<string> {
    return this.tell(`held ${symbol}`);
  }

  /** It would end by itself with this process, when its input does. */
  stop(): void {
    this.child.stdin.end();
  }

  private async do(line: string): Promise<void> {
    const answer = await this.tell(line);
    if (answer !== 'done') {
      throw new Error(`The venue says: ${answer}`);
    }
  }

  private tell(line: string): Promise<string> {
    this.child.stdin.write(`${line}\n`);
    return lineOf(this.lines);
  }
}

async function lineOf(lines: AsyncIterator<string>): Promise<string> {
  const next = await lines.next();
  if (next.done === true) {
    throw new Error('The venue ended');
  }
  return next.value;
}
