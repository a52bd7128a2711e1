/** One entry that is wrong in what was sent (RFC 9457 member `errors`). */
export interface EntryError {
  path: string
  code: string
  args?: unknown[]
}

/**
 * What the server, or the way to it, said no with. `status` 0 means that no
 * answer came. `reference` is the number a person reads out on the telephone.
 */
export class Problem extends Error {
  readonly status: number
  readonly code: string
  readonly reference: string
  readonly errors: EntryError[]
  readonly retryAfter: number

  constructor(status: number, body: Partial<Problem> & { detail?: string }, retryAfter = 0) {
    super(body.detail ?? body.message ?? '')
    this.status = status
    this.code = body.code ?? (status === 0 ? 'offline' : `http_${status}`)
    this.reference = body.reference ?? ''
    this.errors = body.errors ?? []
    this.retryAfter = retryAfter
  }
}
