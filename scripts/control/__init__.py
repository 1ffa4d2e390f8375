"""The control process of the demonstration, inside `demo.py`: it ends parts and starts them again, gives the
activity its orders, and passes on what Django has sent. Standard library only; on loopback only.
"""
