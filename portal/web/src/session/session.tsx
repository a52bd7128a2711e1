import { createContext, use } from 'react'
import type { Me } from '../api/types'

export interface Session {
  me: Me
  can: (scope: string) => boolean
  /** The account sees more than one body. */
  wide: boolean
  reload: () => void
  signOut: () => Promise<void>
}

export const SessionContext = createContext<Session | null>(null)

export function useSession(): Session {
  const session = use(SessionContext)
  if (!session) throw new Error('useSession outside of a session')
  return session
}
