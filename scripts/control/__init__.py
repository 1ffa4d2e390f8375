"""The control process of the demonstration, inside `demo.py`: it ends parts and starts them again, tells the activity
what to do, and passes on what Django has sent. Standard library only; on loopback only.
"""
