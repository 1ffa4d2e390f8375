"""A game as an object: it knows its players, and they know it."""


class Player:
    def __init__(self, game, mark):
        self.game = game
        self.mark = mark
        self.moves = []

    def play(self, cell):
        self.game.board[cell] = self.mark
        self.moves.append(cell)


class Game:
    LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]

    def __init__(self):
        self.board = [None] * 9
        self.players = [Player(self, "x"), Player(self, "o")]
        self.turn = self.players[0]

    def move(self, cell):
        if self.board[cell] is not None:
            raise ValueError("taken")
        self.turn.play(cell)
        self.turn = self.players[1 - self.players.index(self.turn)]
        return self.winner()

    def winner(self):
        for a, b, c in self.LINES:
            if self.board[a] and self.board[a] == self.board[b] == self.board[c]:
                return self.board[a]
        return None
