import { useCallback, useEffect, useState } from 'react'
import { address, api, type Params } from '../../api/client'
import { Problem } from '../../api/problem'
import type { EventRow, Found } from '../../api/types'
import { useLoad } from '../../api/useLoad'

const page = 50

/** Pages of events for the parameters, newest first; more() appends the next, older page. */
export function useEvents(params: Params) {
  const path = address('/events', { ...params, limit: page })
  const head = useLoad<Found>(path)
  const [tail, setTail] = useState<{ rows: EventRow[]; next: string | undefined }>({ rows: [], next: undefined })
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  useEffect(() => {
    setTail({ rows: [], next: head.data?.next })
    setProblem(undefined)
  }, [head.data])
  const more = useCallback(async () => {
    if (!tail.next) return
    setBusy(true)
    try {
      const { data } = await api.get<Found>(path + `&cursor=${encodeURIComponent(tail.next)}`)
      setTail((now) => ({ rows: [...now.rows, ...data.events], next: data.next }))
    } catch (cause) {
      setProblem(cause instanceof Problem ? cause : new Problem(0, {}))
    } finally {
      setBusy(false)
    }
  }, [path, tail.next])
  return { head, rows: [...(head.data?.events ?? []), ...tail.rows], next: tail.next, busy, problem, more }
}
