// Attendance tracker, "React Component Example". Changed: the import of useSocket.
// client/src/components/SessionAttendance.js
import React, { useEffect, useState } from 'react';
import { useSocket } from '@channelgate/react/tracker';

const SessionAttendance = ({ sessionId }) => {
    const { joinSession, leaveSession, markAttendance, onEvent } = useSocket();
    const [attendanceList, setAttendanceList] = useState([]);
    const [message, setMessage] = useState('');

    useEffect(() => {
        // Join session room
        joinSession(sessionId);

        // Set up event listeners
        const unsubscribeAttendance = onEvent('attendanceUpdate', (data) => {
            setAttendanceList(prev => [...prev, data]);
        });

        const unsubscribeMarked = onEvent('attendanceMarked', (data) => {
            setMessage(data.message);
        });

        const unsubscribeError = onEvent('error', (data) => {
            setMessage(data.message);
        });

        // Cleanup
        return () => {
            leaveSession(sessionId);
            unsubscribeAttendance();
            unsubscribeMarked();
            unsubscribeError();
        };
    }, [sessionId, joinSession, leaveSession, onEvent]);

    const handleMarkAttendance = () => {
        navigator.geolocation.getCurrentPosition(
            (position) => {
                markAttendance(sessionId, {
                    latitude: position.coords.latitude,
                    longitude: position.coords.longitude
                });
            },
            (error) => {
                console.error('Location error:', error);
                markAttendance(sessionId, null);
            }
        );
    };

    return (
        <div>
            <button onClick={handleMarkAttendance}>Mark Attendance</button>
            {message && <p>{message}</p>}
            <ul>
                {attendanceList.map((attendance, index) => (
                    <li key={index}>
                        {attendance.userName} - {attendance.status}
                    </li>
                ))}
            </ul>
        </div>
    );
};

export default SessionAttendance;
