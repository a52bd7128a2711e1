import { Problem } from './problem'

const base = '/api/v1'

/** Parameters of a query string; an absent or empty one is left out. */
export type Params = Record<string, string | number | undefined | null>

export interface Answer<T> {
  data: T
  etag: string
}

interface Options {
  etag?: string
  signal?: AbortSignal
}

/** The address of an operation, for calls and for download links. */
export function address(path: string, params: Params = {}): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== '') query.append(name, String(value))
  }
  const text = query.toString()
  return base + path + (text ? (path.includes('?') ? '&' : '?') + text : '')
}

/** What wants to hear that the session has ended or that the server is out of reach. */
export interface Listener {
  ended?: () => void
  reached?: (ok: boolean) => void
}

const listeners = new Set<Listener>()

export function listen(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** A fresh key for one write: the server answers a repeated write with its first answer. */
function once(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('')
}

async function call<T>(method: string, path: string, body: unknown, { etag, signal }: Options = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (method !== 'GET') headers['X-Sekikura-Request'] = '1'
  if (method === 'POST') headers['Idempotency-Key'] = once()
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (etag) headers['If-Match'] = etag
  let response: Response
  try {
    response = await fetch(path.startsWith(base) ? path : base + path, {
      method,
      headers,
      credentials: 'same-origin',
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    })
  } catch (cause) {
    if (signal?.aborted) throw cause
    for (const l of listeners) l.reached?.(false)
    throw new Problem(0, {})
  }
  for (const l of listeners) l.reached?.(true)
  const text = await response.text()
  let data: unknown = null
  try {
    data = text ? JSON.parse(text) : null
  } catch {
    throw new Problem(response.status, { code: 'not_json' })
  }
  if (!response.ok) {
    const problem = new Problem(response.status, (data ?? {}) as Partial<Problem>, Number(response.headers.get('Retry-After') ?? 0))
    if (response.status === 401 && !path.endsWith('/session')) for (const l of listeners) l.ended?.()
    throw problem
  }
  return { data: data as T, etag: response.headers.get('ETag') ?? '' }
}

export const api = {
  get: <T>(path: string, options?: Options) => call<T>('GET', path, undefined, options),
  post: <T>(path: string, body: unknown = {}) => call<T>('POST', path, body),
  put: <T>(path: string, body: unknown, etag?: string) => call<T>('PUT', path, body, etag ? { etag } : {}),
  remove: <T>(path: string, body?: unknown) => call<T>('DELETE', path, body),
}
