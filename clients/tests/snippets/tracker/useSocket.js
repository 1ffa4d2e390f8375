// Attendance tracker, "React Hook for Socket.io". Changed: the import of the service.
// client/src/hooks/useSocket.js
import { useEffect, useCallback } from 'react';
import { useAuth } from './useAuth';
import socketService from '@channelgate/react/tracker';

export const useSocket = () => {
    const { token } = useAuth();

    useEffect(() => {
        if (token) {
            socketService.connect(token);
        }

        return () => {
            socketService.disconnect();
        };
    }, [token]);

    const joinSession = useCallback((sessionId) => {
        socketService.joinSession(sessionId);
    }, []);

    const leaveSession = useCallback((sessionId) => {
        socketService.leaveSession(sessionId);
    }, []);

    const markAttendance = useCallback((sessionId, location) => {
        socketService.markAttendance(sessionId, location);
    }, []);

    const onEvent = useCallback((event, callback) => {
        socketService.on(event, callback);
        
        return () => {
            socketService.off(event, callback);
        };
    }, []);

    return {
        joinSession,
        leaveSession,
        markAttendance,
        onEvent,
        socket: socketService.socket
    };
};
