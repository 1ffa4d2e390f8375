// Types of the snippet beside it.

export const useSocket: () => {
  joinSession(id: string | number): void;
  leaveSession(id: string | number): void;
  onEvent(event: string, callback: (data: { userId: number }) => void): () => void;
};
