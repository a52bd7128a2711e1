import { useMemo } from 'react'
import type { Page, Tenant } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'

/** The bodies an account sees beside its own; undefined for an account of one body. */
export function useBodies(): Tenant[] | undefined {
  const { wide } = useSession()
  return useLoad<Page<Tenant>>(wide ? '/tenants?limit=500' : null).data?.items
}

/** Names by code, in the language of the screen; undefined for an account of one body. */
export function useBodyNames(): Map<string, string> | undefined {
  const bodies = useBodies()
  const { language } = useText()
  return useMemo(
    () => bodies && new Map(bodies.map((b) => [b.id, language === 'en' && b.name_en ? b.name_en : b.name])),
    [bodies, language],
  )
}
