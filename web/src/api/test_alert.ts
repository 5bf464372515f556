/** Sends an alert the way any alert source does: through the receiver, which sees no session, only the secret. */

export interface AlertAnswer {
  /** The HTTP status, as TradingView would see it. */
  status: number;
  /** What the receiver says of it, in a sentence. */
  detail: string;
  /** The reason's stable text where it was refused. */
  code?: string;
}

export async function sendAlert(token: string, secret: string, message: string): Promise<AlertAnswer> {
  const response = await fetch(`/api/v1/webhooks/${encodeURIComponent(token)}`, {
    method: 'POST',
    // As TradingView sends what is not JSON to it; the receiver reads both alike.
    headers: { 'Content-Type': 'text/plain', 'X-Webhook-Secret': secret },
    body: message,
    credentials: 'omit',
  });
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const detail = [body['message'], body['detail']].find((text) => typeof text === 'string');
  const answer = { status: response.status, detail: typeof detail === 'string' ? detail : '' };
  return typeof body['code'] === 'string' ? { ...answer, code: body['code'] } : answer;
}
