;;; lanebridge-approval.el --- Approvals and questions  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; What the server asks waits, with a badge in the mode line to say so, until
;; you open it: nothing here takes the focus or the minibuffer by itself, and
;; what you type into something else answers nothing.

;;; Code:

(require 'cl-lib)
(require 'subr-x)
(require 'lanebridge-state)
(require 'lanebridge-render)

(defcustom lanebridge-approval-dead-time 0.5
  "For so many seconds after a question was opened no key answers it.
Each key that is pressed meanwhile begins that time anew: somebody who
types on does not accept."
  :type 'number
  :group 'lanebridge)

(defcustom lanebridge-approval-hook nil
  "Functions called, without arguments, when something is asked.
For a sound, say; it should not take the focus."
  :type 'hook
  :group 'lanebridge)

(defface lanebridge-badge '((t :inherit warning :weight bold))
  "What says that something is asked, and the keys that answer."
  :group 'lanebridge-faces)
(defface lanebridge-asked '((t :inherit lanebridge-block))
  "What exactly would happen."
  :group 'lanebridge-faces)

(cl-defstruct (lanebridge-asked (:copier nil))
  "Something that is asked.
KIND is approval, question or secret.  REPLY is called with the answer.
ANSWERS are those to the first questions."
  kind params reply answers)

(defvar lanebridge-approval--queue nil
  "What is asked, the first one first.")

(defvar-local lanebridge-approval--shown nil
  "What this buffer asks.")
(defvar-local lanebridge-approval--ready 0
  "From when on keys answer.")
(defvar-local lanebridge-approval--keys nil
  "What the keys answer: an alist of characters and functions.")

(defconst lanebridge-approval--buffer "*Lanebridge asks*")

;;;; What waits

(defun lanebridge-approval-count ()
  "How many questions wait."
  (length lanebridge-approval--queue))

(defun lanebridge-approval-list ()
  "What is asked, the first one first."
  lanebridge-approval--queue)

(defun lanebridge-approval-holds-p (turn-id)
  "Whether the turn TURN-ID waits for the person."
  (seq-some (lambda (asked)
              (equal (plist-get (lanebridge-asked-params asked) :turnId) turn-id))
            lanebridge-approval--queue))

(defun lanebridge-approval-headline ()
  "What is asked first, in one line, or nil."
  (let ((asked (car lanebridge-approval--queue)))
    (when asked
      (let ((params (lanebridge-asked-params asked)))
        (lanebridge-render-clip
         (pcase (lanebridge-asked-kind asked)
           ('approval (concat (plist-get params :title) "  "
                              (car (split-string (plist-get params :show) "\n"))))
           ('question (plist-get (elt (plist-get params :questions) 0) :text))
           (_ (plist-get params :title)))
         200)))))

(defun lanebridge-approval--wait (kind params reply)
  "Let a question of KIND with PARAMS wait; REPLY takes its answer."
  (let ((asked (make-lanebridge-asked :kind kind :params params :reply reply)))
    (setq lanebridge-approval--queue (append lanebridge-approval--queue (list asked)))
    (lanebridge-state-tell 'asked)
    (run-hooks 'lanebridge-approval-hook)
    asked))

(defun lanebridge-approval-ask-secret (title callback)
  "Let TITLE wait until the person types a secret; CALLBACK gets it, or nil."
  (lanebridge-approval--wait 'secret (list :title title) callback))

(defun lanebridge-approval--close ()
  "Close the window that asks."
  (let ((buffer (get-buffer lanebridge-approval--buffer)))
    (when buffer
      (let ((window (get-buffer-window buffer t)))
        (if window (quit-window t window) (kill-buffer buffer))))))

(defun lanebridge-approval--showing ()
  "What is being asked in the window, or nil."
  (let ((buffer (get-buffer lanebridge-approval--buffer)))
    (and buffer (buffer-local-value 'lanebridge-approval--shown buffer))))

(defun lanebridge-approval--forget (asked)
  "ASKED waits no more; non-nil if it did."
  (when (memq asked lanebridge-approval--queue)
    (setq lanebridge-approval--queue (delq asked lanebridge-approval--queue))
    (when (eq asked (lanebridge-approval--showing))
      (lanebridge-approval--close))
    t))

(defun lanebridge-approval--give (asked result)
  "Answer ASKED with RESULT, and open what is asked next."
  (when (lanebridge-approval--forget asked)
    (funcall (lanebridge-asked-reply asked) result)
    (when (and (equal (plist-get (lanebridge-asked-params asked) :kind) "trust")
               (not (equal (plist-get result :decision) "accept")))
      (lanebridge-state-tell 'distrusted))
    (lanebridge-state-tell 'asked)
    (when lanebridge-approval--queue
      (lanebridge-approve))))

(defun lanebridge-approval--withdraw (asked)
  "ASKED needs no answer any more."
  (let ((shown (eq asked (lanebridge-approval--showing))))
    (when (lanebridge-approval--forget asked)
      (when shown
        (message "Lanebridge: this is no longer asked"))
      (lanebridge-state-tell 'asked))))

(defun lanebridge-approval--turn-ended (event _thread turn _item)
  "Withdraw what was asked in TURN, if EVENT says that it has ended."
  (cond
   ((and (eq event 'completed) turn)
    (dolist (asked lanebridge-approval--queue)
      (when (equal (plist-get (lanebridge-asked-params asked) :turnId)
                   (lanebridge-turn-id turn))
        (lanebridge-approval--withdraw asked)
        (funcall (lanebridge-asked-reply asked)
                 (if (eq (lanebridge-asked-kind asked) 'approval)
                     '(:decision "cancel")
                   '(:answers []))))))
   ((and (eq event 'server) (not lanebridge-state-running))
    (mapc #'lanebridge-approval--withdraw lanebridge-approval--queue))))

;;;; The window

(defvar lanebridge-approval-mode-map
  (let ((map (make-keymap)))
    (suppress-keymap map t)
    (define-key map (kbd "RET") #'lanebridge-approval-choose)
    (define-key map (kbd "TAB") #'lanebridge-approval-next)
    (define-key map (kbd "<backtab>") #'lanebridge-approval-previous)
    (define-key map (kbd "q") #'lanebridge-approval-later)
    (define-key map (kbd "C-g") #'lanebridge-approval-later)
    (define-key map [remap self-insert-command] #'lanebridge-approval-key)
    map)
  "Keys where something is asked.")

(define-derived-mode lanebridge-approval-mode nil "Asks"
  "Where Lanebridge asks: a letter answers, or RET on a line."
  :interactive nil
  (setq buffer-read-only t
        truncate-lines nil
        word-wrap t
        cursor-type 'box)
  (setq-local mode-line-format
              '(" " mode-line-buffer-identification "  RET chooses the line, q later"))
  (add-hook 'pre-command-hook #'lanebridge-approval--guard nil t)
  (add-hook 'kill-buffer-hook #'lanebridge-approval--left nil t))

(defun lanebridge-approval--left ()
  "The window is gone; what was asked still waits."
  (setq lanebridge-approval--shown nil)
  (lanebridge-state-tell 'asked))

(defun lanebridge-approval--guard ()
  "Keys that were meant for something else must not answer."
  (let ((now (float-time)))
    (when (< now lanebridge-approval--ready)
      (setq lanebridge-approval--ready (+ now lanebridge-approval-dead-time)
            this-command #'ignore))))

(defun lanebridge-approval--line (key label)
  "Insert the line that answers LABEL by KEY."
  (let ((beg (point)))
    (insert "  " (propertize (char-to-string key) 'face 'lanebridge-badge) "  " label "\n")
    (add-text-properties beg (point) (list 'lanebridge-key key
                                           'wrap-prefix "     "))))

(defun lanebridge-approval--show (asked body choices)
  "Show BODY and CHOICES of ASKED in a window, and select it.
Each choice is (KEY LABEL FUNCTION)."
  (let ((buffer (get-buffer-create lanebridge-approval--buffer))
        (more (length lanebridge-approval--queue)))
    (with-current-buffer buffer
      (lanebridge-approval-mode)
      (setq lanebridge-approval--shown asked
            lanebridge-approval--ready (+ (float-time) lanebridge-approval-dead-time)
            lanebridge-approval--keys
            (mapcar (lambda (choice) (cons (nth 0 choice) (nth 2 choice))) choices)
            mode-line-buffer-identification
            (if (> more 1) (format "Lanebridge asks (1 of %d)" more) "Lanebridge asks"))
      (let ((inhibit-read-only t))
        (erase-buffer)
        (insert body "\n")
        (let ((first (point)))
          (pcase-dolist (`(,key ,label ,_) choices)
            (lanebridge-approval--line key label))
          (goto-char (+ first 2)))))
    (select-window
     (display-buffer buffer '((display-buffer-reuse-window display-buffer-at-bottom)
                              (window-height . lanebridge-approval--fit)
                              (preserve-size . (nil . t)))))
    (lanebridge-state-tell 'asked)))

(defun lanebridge-approval--fit (window)
  "Make WINDOW as high as what it shows, but not above half of its frame."
  (fit-window-to-buffer window (/ (frame-height (window-frame window)) 2) 8))

(defun lanebridge-approval--take (key)
  "Answer by KEY."
  (let ((function (cdr (assq key lanebridge-approval--keys))))
    (if function
        (funcall function)
      (message "Lanebridge: %s is no answer here; RET chooses the line" (char-to-string key)))))

(defun lanebridge-approval-key ()
  "Answer by the key that was pressed."
  (interactive nil lanebridge-approval-mode)
  (lanebridge-approval--take last-command-event))

(defun lanebridge-approval-choose ()
  "Answer by the line at point."
  (interactive nil lanebridge-approval-mode)
  (let ((key (get-text-property (line-beginning-position) 'lanebridge-key)))
    (if key
        (lanebridge-approval--take key)
      (message "Lanebridge: there is no answer in this line"))))

(defun lanebridge-approval-next (&optional backward)
  "To the next answer; with BACKWARD to the one before."
  (interactive nil lanebridge-approval-mode)
  (forward-line (if backward -1 1))
  (unless (get-text-property (point) 'lanebridge-key)
    (goto-char (or (text-property-any (point-min) (point-max) 'lanebridge-key
                                      (caar (if backward
                                                (last lanebridge-approval--keys)
                                              lanebridge-approval--keys)))
                   (point))))
  (forward-char 2))

(defun lanebridge-approval-previous ()
  "To the answer before."
  (interactive nil lanebridge-approval-mode)
  (lanebridge-approval-next t))

(defun lanebridge-approval-later ()
  "Leave the question for later: it waits on."
  (interactive nil lanebridge-approval-mode)
  (lanebridge-approval--close))

;;;; Approvals

(defconst lanebridge-approval--lines 30
  "So many lines of what would happen are shown.")

(defun lanebridge-approval--line-face (line diff)
  "The face of LINE of what would happen; DIFF says that it is one of a diff."
  (cond ((not diff) 'lanebridge-asked)
        ((string-prefix-p "+" line) 'lanebridge-added)
        ((string-prefix-p "-" line) 'lanebridge-removed)
        (t 'lanebridge-asked)))

(defun lanebridge-approval--literal (text)
  "TEXT as it is, indented, cut if it is long."
  (let* ((lines (split-string (string-trim-right text) "\n"))
         (diff (string-match-p "^@@" text))
         (more (- (length lines) lanebridge-approval--lines)))
    (concat (mapconcat (lambda (line)
                         (propertize (concat "    " line "\n")
                                     'face (lanebridge-approval--line-face line diff)))
                       (seq-take lines lanebridge-approval--lines) "")
            (if (> more 0) (format "    … %d more lines\n" more) ""))))

(defun lanebridge-approval--body (params)
  "What an approval with PARAMS is about."
  (let ((reason (or (plist-get params :reason) "")))
    (concat (propertize (plist-get params :title) 'face 'bold) "\n\n"
            (lanebridge-approval--literal (plist-get params :show))
            (if (string-empty-p reason) "" (concat "\nWhy: " reason "\n")))))

(defun lanebridge-approval--note (asked)
  "Decline ASKED, with words for the model."
  (let ((note (string-trim (read-string "Declined.  What should it do instead? "))))
    (lanebridge-approval--give
     asked (if (string-empty-p note)
               '(:decision "decline")
             (list :decision "decline" :note note)))))

(defun lanebridge-approval--choices (asked)
  "Answers to ASKED, an approval; to decline is the first."
  (let* ((params (lanebridge-asked-params asked))
         (trust (equal (plist-get params :kind) "trust"))
         (number ?0))
    (cl-flet ((giving (&rest result)
                (lambda () (lanebridge-approval--give asked result))))
      (append
       (list (list ?d "Decline" (giving :decision "decline")))
       (unless trust
         (list (list ?n "Decline, and say what to do instead …"
                     (lambda () (lanebridge-approval--note asked)))))
       (list (list ?a (if trust "Accept" "Accept this once") (giving :decision "accept")))
       (mapcar (lambda (rule)
                 (list (cl-incf number) (concat "Accept; " (plist-get rule :text))
                       (giving :decision "accept" :ruleId (plist-get rule :id))))
               (plist-get params :rules))))))

;;;; Questions, one after the other

(defun lanebridge-approval--answered (asked question text)
  "Take TEXT, or no answer if it is nil, to QUESTION of ASKED; go to the next."
  (push (and text (list :id (plist-get question :id) :text text))
        (lanebridge-asked-answers asked))
  (let ((given (lanebridge-asked-answers asked)))
    (if (< (length given) (length (plist-get (lanebridge-asked-params asked) :questions)))
        (lanebridge-approval--open asked)
      (lanebridge-approval--give
       asked (list :answers (vconcat (delq nil (reverse given))))))))

(defun lanebridge-approval--options (asked question)
  "Answers to QUESTION of ASKED."
  (let ((number ?0))
    (cl-flet ((answer (text) (lanebridge-approval--answered asked question text)))
      (append
       (mapcar (lambda (option)
                 (let ((label (plist-get option :label))
                       (about (or (plist-get option :description) "")))
                   (list (cl-incf number)
                         (if (string-empty-p about) label (concat label " · " about))
                         (lambda () (answer label)))))
               (plist-get question :options))
       (list (list ?o "Something else …"
                   (lambda ()
                     (let ((text (string-trim
                                  (read-string (concat (lanebridge-render-clip
                                                        (plist-get question :text) 60)
                                                       " ")))))
                       (answer (if (string-empty-p text) nil text)))))
             (list ?n "No answer" (lambda () (answer nil))))))))

(defun lanebridge-approval--secret (asked)
  "Let the person type the secret ASKED."
  (let ((value (condition-case nil
                   (read-passwd (concat (plist-get (lanebridge-asked-params asked) :title) ": "))
                 (quit ""))))
    (lanebridge-approval--give asked (if (string-empty-p value) nil value))))

(defun lanebridge-approval--open (asked)
  "Show ASKED."
  (let ((params (lanebridge-asked-params asked)))
    (pcase (lanebridge-asked-kind asked)
      ('approval
       (lanebridge-approval--show asked (lanebridge-approval--body params)
                                  (lanebridge-approval--choices asked)))
      ('question
       (let ((question (elt (plist-get params :questions)
                            (length (lanebridge-asked-answers asked)))))
         (lanebridge-approval--show
          asked (concat (propertize (plist-get question :text) 'face 'bold) "\n")
          (lanebridge-approval--options asked question))))
      (_ (lanebridge-approval--secret asked)))))

;;;###autoload
(defun lanebridge-approve ()
  "Open what is asked: an approval, a question, a key."
  (interactive)
  (let ((asked (car lanebridge-approval--queue))
        (buffer (get-buffer lanebridge-approval--buffer)))
    (cond
     ((not asked) (message "Lanebridge: nothing is asked"))
     ((and buffer (eq asked (lanebridge-approval--showing)))
      (pop-to-buffer buffer))
     (t (lanebridge-approval--open asked)))))

(defun lanebridge-approval--on (kind)
  "What takes requests of KIND."
  (lambda (params reply)
    (let ((asked (lanebridge-approval--wait kind params reply)))
      (funcall reply 'on-cancel (lambda () (lanebridge-approval--withdraw asked))))))

(lanebridge-on-request "lanebridge/approval/request" (lanebridge-approval--on 'approval))
(lanebridge-on-request "lanebridge/question/request" (lanebridge-approval--on 'question))
(lanebridge-announce '(:experimental :lanebridge :approvals) t)
(lanebridge-announce '(:experimental :lanebridge :questions) t)
(add-hook 'lanebridge-state-functions #'lanebridge-approval--turn-ended)

(provide 'lanebridge-approval)
;;; lanebridge-approval.el ends here
